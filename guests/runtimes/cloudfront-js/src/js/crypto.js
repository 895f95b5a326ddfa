// require('crypto'): hashes. What is hashed is kept until `digest`, so that no state of a hash crosses to JavaScript.
(function (native, load, two) {
  'use strict';
  const algorithms = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];
  const encodings = ['hex', 'base64', 'base64url'];

  function named(algorithm) {
    if (typeof algorithm !== 'string') throw new TypeError('algorithm must be a string');
    if (!algorithms.includes(algorithm)) throw new TypeError(`not supported algorithm: "${algorithm}"`);
    return algorithm;
  }

  // A copy: what the caller writes afterwards does not count.
  function copied(data, what, encoding) {
    if (typeof data === 'string') {
      // Strings of dialect 1.0 that stand for bytes are those that a digest or `bytesFrom` gave.
      return native.decode(data, encoding === undefined ? 'utf8' : String(encoding));
    }
    if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    throw new TypeError(`${what} argument "${data === undefined ? undefined : typeof data}" is not a string or Buffer-like object`);
  }

  class Digest {
    #algorithm; #key; #chunks = []; #done = false;

    constructor(algorithm, key, chunks = []) {
      this.#algorithm = algorithm;
      this.#key = key;
      this.#chunks = chunks;
    }

    update(data, encoding) {
      if (this.#done) throw new Error('Digest already called');
      this.#chunks.push(copied(data, 'data', encoding));
      return this;
    }

    digest(encoding) {
      if (this.#done) throw new Error('Digest already called');
      if (encoding !== undefined && !encodings.includes(encoding)) throw new TypeError(`Unknown digest encoding: "${String(encoding)}"`);
      this.#done = true;
      const bytes = native.digest(this.#algorithm, this.#key, this.#chunks);
      if (encoding !== undefined) return native.encode(bytes, encoding);
      return two ? load('buffer').Buffer.from(bytes.buffer) : native.encode(bytes, 'latin1');
    }

    copy() {
      if (this.#done) throw new Error('Digest already called');
      return new this.constructor(this.#algorithm, this.#key, [...this.#chunks]);
    }
  }
  class Hash extends Digest {}
  class Hmac extends Digest {}

  return {
    createHash: algorithm => new Hash(named(algorithm)),
    createHmac: (algorithm, key) => new Hmac(named(algorithm), copied(key, 'key')),
  };
})

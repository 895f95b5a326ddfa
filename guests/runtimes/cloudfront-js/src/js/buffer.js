// require('buffer'): bytes with encodings.
(function (native) {
  'use strict';
  const encodings = { utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url' };
  const MAX = 1 << 20;

  function encodingOf(encoding) {
    if (encoding === undefined || encoding === null) return 'utf8';
    const known = encodings[String(encoding).toLowerCase()];
    if (known === undefined) throw new TypeError(`"${String(encoding)}" encoding is not supported`);
    return known;
  }
  function clamp(index, length, otherwise) {
    if (index === undefined) return otherwise;
    index = Math.trunc(Number(index)) || 0;
    return Math.min(Math.max(index < 0 ? index + length : index, 0), length);
  }
  function sized(size) {
    if (typeof size !== 'number') throw new TypeError('"size" argument must be of type number');
    if (!(size >= 0 && size <= MAX)) throw new RangeError('invalid size');
    return Math.trunc(size);
  }
  function viewOf(data, what) {
    if (data instanceof Uint8Array) return data;
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw new TypeError(`${what} must be a Buffer or a typed array`);
  }
  const bytesOf = (data, encoding, what) => typeof data === 'string' ? native.decode(data, encodingOf(encoding)) : viewOf(data, what);

  function order(a, b) {
    const shared = Math.min(a.length, b.length);
    for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }
  function offsetIn(buffer, offset, size) {
    if (offset === undefined) offset = 0;
    if (typeof offset !== 'number') throw new TypeError('offset is not a number');
    if (!Number.isInteger(offset) || offset < 0 || offset + size > buffer.length) throw new RangeError('index out of bound');
    return offset;
  }
  function find(buffer, value, from, encoding, backwards) {
    if (typeof from === 'string') { encoding = from; from = undefined; }
    const wanted = typeof value === 'number' ? Uint8Array.of(value) : bytesOf(value, encoding, '"value" argument');
    const last = buffer.length - wanted.length;
    let start = from === undefined ? (backwards ? last : 0) : Math.trunc(Number(from)) || 0;
    if (start < 0) start += buffer.length;
    const matches = at => { for (let i = 0; i < wanted.length; i++) if (buffer[at + i] !== wanted[i]) return false; return true; };
    if (backwards) {
      for (let at = Math.min(start, last); at >= 0; at--) if (matches(at)) return at;
    } else {
      for (let at = Math.max(start, 0); at <= last; at++) if (matches(at)) return at;
    }
    return -1;
  }

  class Buffer extends Uint8Array {
    static get [Symbol.species]() { return Buffer }

    static from(data, encoding, length) {
      if (typeof data === 'string') return view(native.decode(data, encodingOf(encoding)));
      if (data instanceof ArrayBuffer) {
        const offset = encoding === undefined ? 0 : Number(encoding);
        return length === undefined ? new Buffer(data, offset) : new Buffer(data, offset, length);
      }
      if (typeof data !== 'object' || data === null) throw new TypeError('first argument is not a string or Buffer-like object');
      if (data.type === 'Buffer' && Array.isArray(data.data)) data = data.data;
      const values = ArrayBuffer.isView(data) && data.length === undefined ? viewOf(data) : data;
      const count = sized(Number(values.length) || 0);
      const buffer = new Buffer(count);
      for (let i = 0; i < count; i++) buffer[i] = values[i];
      return buffer;
    }
    static alloc(size, fill, encoding) {
      const buffer = new Buffer(sized(size));
      return fill === undefined ? buffer : buffer.fill(fill, encoding);
    }
    static allocUnsafe(size) { return new Buffer(sized(size)) }
    static allocUnsafeSlow(size) { return new Buffer(sized(size)) }
    static byteLength(value, encoding) { return bytesOf(value, encoding, 'first argument').byteLength }
    static compare(a, b) { return order(viewOf(a, 'first argument'), viewOf(b, 'second argument')) }
    static concat(list, length) {
      if (!Array.isArray(list)) throw new TypeError('"list" argument must be an instance of Array');
      const parts = list.map((part, i) => viewOf(part, `"list[${i}]" argument`));
      const total = sized(length === undefined ? parts.reduce((sum, part) => sum + part.length, 0) : length);
      const buffer = new Buffer(total);
      let at = 0;
      for (const part of parts) {
        if (at >= total) break;
        const fits = part.length <= total - at ? part : part.subarray(0, total - at);
        buffer.set(fits, at);
        at += fits.length;
      }
      return buffer;
    }
    static isBuffer(value) { return value instanceof Buffer }
    static isEncoding(encoding) { return typeof encoding === 'string' && encodings[encoding.toLowerCase()] !== undefined }

    toString(encoding, start, end) {
      const from = clamp(start, this.length, 0), to = clamp(end, this.length, this.length);
      return native.encode(super.subarray(from, Math.max(from, to)), encodingOf(encoding));
    }
    toJSON() { return { type: 'Buffer', data: Array.from(this) } }
    equals(other) { return order(this, viewOf(other, 'argument')) === 0 }
    compare(target, start, end, ownStart, ownEnd) {
      const other = viewOf(target, 'target argument');
      return order(super.subarray(clamp(ownStart, this.length, 0), clamp(ownEnd, this.length, this.length)),
        other.subarray(clamp(start, other.length, 0), clamp(end, other.length, other.length)));
    }
    copy(target, at = 0, start, end) {
      const into = viewOf(target, 'target argument'), from = clamp(start, this.length, 0);
      const part = super.subarray(from, Math.max(from, clamp(end, this.length, this.length)));
      const count = Math.max(0, Math.min(part.length, into.length - at));
      into.set(part.subarray(0, count), at);
      return count;
    }
    fill(value, offset, end, encoding) {
      if (typeof offset === 'string') { encoding = offset; offset = undefined; end = undefined; }
      const from = clamp(offset, this.length, 0), to = clamp(end, this.length, this.length);
      if (typeof value === 'number') return super.fill(value & 255, from, to);
      const bytes = bytesOf(value, encoding, '"value" argument');
      for (let at = from; at < to; at++) this[at] = bytes.length ? bytes[(at - from) % bytes.length] : 0;
      return this;
    }
    indexOf(value, from, encoding) { return find(this, value, from, encoding, false) }
    lastIndexOf(value, from, encoding) { return find(this, value, from, encoding, true) }
    includes(value, from, encoding) { return find(this, value, from, encoding, false) >= 0 }
    slice(start, end) { return this.subarray(start, end) }
    write(text, offset, length, encoding) {
      if (typeof offset === 'string') { encoding = offset; offset = undefined; length = undefined; }
      else if (typeof length === 'string') { encoding = length; length = undefined; }
      const at = offset === undefined ? 0 : offsetIn(this, offset, 0);
      const room = Math.min(this.length - at, length === undefined ? Infinity : Number(length) || 0);
      const bytes = bytesOf(String(text), encoding);
      const count = Math.min(bytes.length, room);
      super.set(bytes.subarray(0, count), at);
      return count;
    }
    readIntLE(offset, size) { return number(this, offset, size, true, true) }
    readIntBE(offset, size) { return number(this, offset, size, false, true) }
    readUIntLE(offset, size) { return number(this, offset, size, true, false) }
    readUIntBE(offset, size) { return number(this, offset, size, false, false) }
    writeIntLE(value, offset, size) { return store(this, value, offset, size, true) }
    writeIntBE(value, offset, size) { return store(this, value, offset, size, false) }
    writeUIntLE(value, offset, size) { return store(this, value, offset, size, true) }
    writeUIntBE(value, offset, size) { return store(this, value, offset, size, false) }
  }

  const view = bytes => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizeOf = size => {
    if (!Number.isInteger(size) || size < 1 || size > 6) throw new RangeError('byteLength must be from 1 to 6');
    return size;
  };
  function number(buffer, offset, size, little, signed) {
    const at = offsetIn(buffer, offset, sizeOf(size));
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + buffer[little ? at + size - 1 - i : at + i];
    return signed && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
  }
  function store(buffer, value, offset, size, little) {
    const at = offsetIn(buffer, offset, sizeOf(size));
    let rest = Math.trunc(Number(value)) || 0;
    for (let i = 0; i < size; i++) {
      buffer[little ? at + i : at + size - 1 - i] = ((rest % 256) + 256) % 256;
      rest = Math.floor(rest / 256);
    }
    return at + size;
  }
  const define = (name, value) => Object.defineProperty(Buffer.prototype, name, { value, writable: true, configurable: true });
  const widths = [['Int8', 1], ['UInt8', 1, 'Uint8'], ['Int16', 2], ['UInt16', 2, 'Uint16'], ['Int32', 4], ['UInt32', 4, 'Uint32'],
    ['Float', 4, 'Float32'], ['Double', 8, 'Float64']];
  for (const [name, size, method = name] of widths) {
    for (const [suffix, little] of size === 1 ? [['', true]] : [['LE', true], ['BE', false]]) {
      const data = buffer => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      define(`read${name}${suffix}`, function (offset) {
        return data(this)[`get${method}`](offsetIn(this, offset, size), little);
      });
      define(`write${name}${suffix}`, function (value, offset) {
        const at = offsetIn(this, offset, size);
        data(this)[`set${method}`](at, value, little);
        return at + size;
      });
      if (name.startsWith('UInt')) {
        define(`read${name.replace('UInt', 'Uint')}${suffix}`, Buffer.prototype[`read${name}${suffix}`]);
        define(`write${name.replace('UInt', 'Uint')}${suffix}`, Buffer.prototype[`write${name}${suffix}`]);
      }
    }
  }
  for (const size of [2, 4, 8]) {
    define(`swap${size * 8}`, function () {
      if (this.length % size !== 0) throw new RangeError(`Buffer size must be a multiple of ${size * 8}-bits`);
      for (let at = 0; at < this.length; at += size) reverse.call(this.subarray(at, at + size));
      return this;
    });
  }
  const reverse = Uint8Array.prototype.reverse;

  return { Buffer, constants: { MAX_LENGTH: MAX }, kMaxLength: MAX };
})

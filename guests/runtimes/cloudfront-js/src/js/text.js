// TextEncoder and TextDecoder, for UTF-8.
(function (native) {
  'use strict';
  class TextEncoder {
    get encoding() { return 'utf-8' }
    encode(text = '') { return native.decode(String(text), 'utf8') }
    encodeInto(text, into) {
      if (!(into instanceof Uint8Array)) throw new TypeError('the second argument is not a Uint8Array');
      let read = 0, written = 0;
      for (const character of String(text)) {
        const bytes = native.decode(character, 'utf8');
        if (written + bytes.length > into.length) break;
        into.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  class TextDecoder {
    #fatal; #ignoreBOM;
    constructor(label = 'utf-8', options = {}) {
      if (!/^\s*(utf-8|utf8|unicode-1-1-utf-8)\s*$/i.test(String(label))) throw new RangeError(`The "${String(label)}" encoding is not supported`);
      this.#fatal = Boolean(options && options.fatal);
      this.#ignoreBOM = Boolean(options && options.ignoreBOM);
    }
    get encoding() { return 'utf-8' }
    get fatal() { return this.#fatal }
    get ignoreBOM() { return this.#ignoreBOM }
    decode(data) {
      if (data === undefined) return '';
      let bytes;
      if (data instanceof ArrayBuffer) bytes = new Uint8Array(data);
      else if (ArrayBuffer.isView(data)) bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      else throw new TypeError('data is neither an ArrayBuffer nor a view of one');
      const text = native.encode(bytes, 'utf8', this.#fatal);
      return !this.#ignoreBOM && text.startsWith('\ufeff') ? text.slice(1) : text;
    }
  }
  return { TextEncoder, TextDecoder };
})

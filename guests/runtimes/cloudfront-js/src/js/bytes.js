// Dialect 1.0: strings that stand for bytes. Here each of their characters is one byte.
(function (native) {
  'use strict';
  const define = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true });
  const slice = (text, start, end) => String(text).slice(start, end);

  define(String, 'bytesFrom', function bytesFrom(from, encoding) {
    if (Array.isArray(from)) return native.encode(Uint8Array.from(from), 'latin1');
    if (typeof from !== 'string') throw new TypeError('value must be a string or array');
    return native.encode(native.decode(from, encoding === undefined ? 'utf8' : String(encoding)), 'latin1');
  });
  define(String.prototype, 'fromBytes', function fromBytes(start, end) { return slice(this, start, end) });
  define(String.prototype, 'toBytes', function toBytes(start, end) {
    const text = slice(this, start, end);
    return /[^\0-\xff]/.test(text) ? null : text;
  });
  define(String.prototype, 'fromUTF8', function fromUTF8(start, end) {
    return native.encode(native.bytes(slice(this, start, end)), 'utf8');
  });
  define(String.prototype, 'toUTF8', function toUTF8(start, end) {
    return native.encode(native.decode(slice(this, start, end), 'utf8'), 'latin1');
  });
  const toString = String.prototype.toString;
  define(String.prototype, 'toString', function (encoding) {
    const text = toString.call(this);
    return encoding === undefined ? text : native.encode(native.bytes(text), String(encoding));
  });
})

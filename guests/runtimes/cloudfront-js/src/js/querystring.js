// require('querystring')
(function () {
  'use strict';
  const KEYS = 1000;

  function unescape(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }
  const escape = text => encodeURIComponent(text);

  function parse(text, separator, equals, options) {
    const found = Object.create(null);
    if (typeof text !== 'string' || text === '') return Object.assign({}, found);
    separator = separator === undefined || separator === null || separator === '' ? '&' : String(separator);
    equals = equals === undefined || equals === null || equals === '' ? '=' : String(equals);
    const decode = (options && options.decodeURIComponent) || unescape;
    const limit = options && typeof options.maxKeys === 'number' ? options.maxKeys : KEYS;
    let parts = text.split(separator);
    if (limit > 0) parts = parts.slice(0, limit);
    const decoded = part => {
      const plain = part.replace(/\+/g, ' ');
      return decode === unescape && !plain.includes('%') ? plain : decode(plain);
    };
    const result = {};
    for (const part of parts) {
      if (part === '') continue;
      const at = part.indexOf(equals);
      const key = decoded(at < 0 ? part : part.slice(0, at));
      const value = at < 0 ? '' : decoded(part.slice(at + equals.length));
      const had = Object.getOwnPropertyDescriptor(result, key);
      if (!had) {
        Object.defineProperty(result, key, { value, writable: true, enumerable: true, configurable: true });
      } else if (Array.isArray(had.value)) {
        had.value.push(value);
      } else {
        Object.defineProperty(result, key, { value: [had.value, value] });
      }
    }
    return result;
  }

  function stringify(object, separator, equals, options) {
    separator = separator === undefined || separator === null ? '&' : String(separator);
    equals = equals === undefined || equals === null ? '=' : String(equals);
    const encode = (options && options.encodeURIComponent) || escape;
    if (typeof object !== 'object' || object === null) return '';
    const text = value => {
      switch (typeof value) {
        case 'string': return encode(value);
        case 'number': return Number.isFinite(value) ? String(value) : '';
        case 'boolean': case 'bigint': return String(value);
        default: return '';
      }
    };
    const parts = [];
    for (const key of Object.keys(object)) {
      for (const value of Array.isArray(object[key]) ? object[key] : [object[key]]) {
        parts.push(encode(key) + equals + text(value));
      }
    }
    return parts.join(separator);
  }

  return { parse, stringify, escape, unescape, decode: parse, encode: stringify };
})

// How console.log shows what is not a string: on one line, as njs does.
(function () {
  'use strict';
  const DEPTH = 6, ENTRIES = 128;
  const escapes = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  const quoted = text => `'${text.replace(/[\\'\n\r\t]/g, found => escapes[found])}'`;
  const isName = text => /^[A-Za-z_$][\w$]*$/.test(text);
  const tagOf = value => Object.prototype.toString.call(value).slice(8, -1);

  function className(value) {
    const prototype = Object.getPrototypeOf(value);
    const constructor = prototype && Object.getOwnPropertyDescriptor(prototype, 'constructor');
    const name = constructor && typeof constructor.value === 'function' ? constructor.value.name : '';
    return typeof name === 'string' && name !== 'Object' && name !== 'Array' ? name : '';
  }

  function list(values, more) {
    return values.join(',') + (more > 0 ? `,...${more} more` : '');
  }

  function show(value, depth, parents) {
    if (typeof value === 'string') return quoted(value);
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
    if (typeof value === 'function') return value.name ? `[Function: ${String(value.name)}]` : '[Function]';
    if (typeof value !== 'object' || value === null) return String(value);
    if (value instanceof Error) return Error.prototype.toString.call(value);
    if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
    if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
    if (value instanceof Promise) return 'Promise {}';
    if (parents.includes(value)) return '[Circular]';
    if (depth >= DEPTH) return Array.isArray(value) ? '[Array]' : '[Object]';
    const inner = each => show(each, depth + 1, [...parents, value]);
    if (ArrayBuffer.isView(value) && value.length !== undefined) {
      const bytes = Array.prototype.slice.call(value, 0, ENTRIES);
      return `${className(value) || tagOf(value)} [${list(bytes.map(String), value.length - ENTRIES)}]`;
    }
    if (Array.isArray(value)) {
      const entries = [];
      for (let i = 0; i < Math.min(value.length, ENTRIES); i++) entries.push(i in value ? inner(value[i]) : '<empty>');
      return `[${list(entries, value.length - ENTRIES)}]`;
    }
    const name = className(value), prefix = name && `${name} `;
    if (value instanceof Map) {
      return `${prefix}{${list([...value].slice(0, ENTRIES).map(([k, v]) => `${inner(k)} => ${inner(v)}`), value.size - ENTRIES)}}`;
    }
    if (value instanceof Set) return `${prefix}{${list([...value].slice(0, ENTRIES).map(inner), value.size - ENTRIES)}}`;
    const keys = Object.keys(value);
    const entries = keys.slice(0, ENTRIES).map(key => {
      const property = Object.getOwnPropertyDescriptor(value, key);
      const shown = property && 'value' in property ? inner(property.value) : '[Getter]';
      return `${isName(key) ? key : quoted(key)}:${shown}`;
    });
    return `${prefix}{${list(entries, keys.length - ENTRIES)}}`;
  }

  return value => show(value, 0, []);
})

// What every source finds, and what it must not find. `lazy` makes the rest when it is first asked for.
(function (native, load, two) {
  'use strict';
  const hidden = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true });
  const lazy = (name, make) => Object.defineProperty(globalThis, name, {
    configurable: true,
    get() { const value = make(); hidden(globalThis, name, value); return value },
    set(value) { hidden(globalThis, name, value) },
  });

  // Code out of text.
  hidden(globalThis, 'eval', function () { throw new InternalError('Not implemented') });
  const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (const prototype of kinds.map(Object.getPrototypeOf)) {
    const constructor = function () { throw new TypeError('function constructor is disabled in "safe" mode') };
    hidden(constructor, 'name', prototype.constructor.name);
    constructor.prototype = prototype;
    hidden(prototype, 'constructor', constructor);
  }
  hidden(globalThis, 'Function', Function.prototype.constructor);
  for (const name of ['SharedArrayBuffer', 'Atomics', 'queueMicrotask', 'navigator']) delete globalThis[name];

  hidden(globalThis, 'MemoryError', class MemoryError extends InternalError {});
  hidden(Math, 'random', native.random);
  const console = {};
  for (const name of ['log', 'error', 'warn', 'info', 'debug']) console[name] = native.log;
  hidden(globalThis, 'console', console);
  hidden(globalThis, 'require', native.require);
  if (two) {
    lazy('Buffer', () => load('buffer').Buffer);
    lazy('TextEncoder', () => load('text').TextEncoder);
    lazy('TextDecoder', () => load('text').TextDecoder);
    hidden(globalThis, 'atob', function atob(text) { return native.encode(native.atob(String(text)), 'latin1') });
    hidden(globalThis, 'btoa', function btoa(text) { return native.encode(native.bytes(String(text)), 'base64') });
  } else {
    load('bytes');
  }
})

// A regular expression that tries every way to divide its input.
function handler(event) {
  return /^(a+)+$/.test('a'.repeat(64) + 'b') ? null : event.request;
}

// A regular expression that tries every way to divide its input.
export const handler = async () => /^(a+)+$/.test('a'.repeat(64) + 'b');

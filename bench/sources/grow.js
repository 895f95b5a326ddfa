// All the memory that there is.
function handler(event) {
  const kept = [];
  for (;;) kept.push('x'.repeat(1000) + kept.length);
}

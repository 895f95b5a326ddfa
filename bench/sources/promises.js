// Promises without end.
async function handler(event) {
  for (;;) await null;
}

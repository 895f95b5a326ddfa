// All the memory that there is.
export const handler = async () => {
  const kept = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
};

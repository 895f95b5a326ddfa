// Promises without end.
export const handler = async () => {
  for (;;) await null;
};

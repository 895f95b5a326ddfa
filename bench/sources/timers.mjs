// Timers without end.
export const handler = () =>
  new Promise(() => {
    for (let i = 0; i < 100_000; i++) setInterval(() => {}, 1);
  });

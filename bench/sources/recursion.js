// As deep as it goes, again and again.
function handler(event) {
  const deeper = (depth) => deeper(depth + 1) + 1;
  for (;;) {
    try {
      deeper(0);
    } catch (error) {}
  }
}

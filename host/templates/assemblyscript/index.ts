// A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
// stdout, and stderr to the log. `process` is that of @assemblyscript/wasi-shim.

const method = variable("REQUEST_METHOD");
const path = variable("PATH_INFO");
process.stderr.write("asked for " + path + "\n");
process.stdout.write("Content-Type: text/plain; charset=utf-8\n\n");
process.stdout.write("hello from {{name}}: " + method + " " + path + "\n");
if (method == "POST") process.stdout.write(body());

function variable(name: string): string {
  return process.env.has(name) ? process.env.get(name) : "";
}

/** What is on stdin. */
function body(): ArrayBuffer {
  let bytes = new ArrayBuffer(4096);
  let length = 0;
  while (true) {
    const read = process.stdin.read(bytes, length);
    if (read == 0) return bytes.slice(0, length);
    length += read;
    if (length < bytes.byteLength) continue;
    const larger = new ArrayBuffer(2 * length);
    memory.copy(changetype<usize>(larger), changetype<usize>(bytes), length);
    bytes = larger;
  }
}

/**
 * What adapts WASI 0.1 to WASI 0.2 takes its memory here. It would grow the memory instead, and AssemblyScript's heap, which takes all
 * that there is when it begins, would write over that.
 */
export function cabi_realloc(pointer: usize, _before: usize, _alignment: usize, size: usize): usize {
  return pointer ? heap.realloc(pointer, size) : heap.alloc(size);
}

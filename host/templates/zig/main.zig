// A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
// stdout, and stderr to the log.

const std = @import("std");

pub fn main(init: std.process.Init) !void {
    const method = init.environ_map.get("REQUEST_METHOD") orelse "";
    const path = init.environ_map.get("PATH_INFO") orelse "";
    std.debug.print("asked for {s}\n", .{path});

    var buffer: [4096]u8 = undefined;
    var stdout = std.Io.File.stdout().writer(init.io, &buffer);
    try stdout.interface.writeAll("Content-Type: text/plain; charset=utf-8\n\n");
    try stdout.interface.print("hello from {{name}}: {s} {s}\n", .{ method, path });
    try stdout.interface.flush();
}

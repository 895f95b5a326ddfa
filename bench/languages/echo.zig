const std = @import("std");

pub fn main(init: std.process.Init) !void {
    var input: [4096]u8 = undefined;
    var output: [4096]u8 = undefined;
    var stdin = std.Io.File.stdin().readerStreaming(init.io, &input);
    var stdout = std.Io.File.stdout().writer(init.io, &output);
    _ = try stdin.interface.streamRemaining(&stdout.interface);
    try stdout.interface.flush();
}

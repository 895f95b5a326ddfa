//! The three encoders with one interface: bytes are written, and the compressed ones are taken out.

use std::io::{self, Write as _};

use crate::cache::key::Coding;
use crate::limits::compression::{BROTLI_BUFFER_BYTES, BROTLI_LEVEL, GZIP_LEVEL, WINDOW_LOG, ZSTD_LEVEL};

pub(super) enum Encoder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// For a body of exactly this length.
    pub(super) fn new(coding: Coding, length: u64) -> io::Result<Encoder> {
        Ok(match coding {
            Coding::Gzip => Encoder::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let writer = brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES, BROTLI_LEVEL, WINDOW_LOG);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut writer = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                // Tables for a small body are small.
                writer.set_pledged_src_size(Some(length))?;
                writer.window_log(WINDOW_LOG)?;
                Encoder::Zstd(writer)
            }
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Gzip(writer) => writer.write_all(bytes),
            Encoder::Brotli(writer) => writer.write_all(bytes),
            Encoder::Zstd(writer) => writer.write_all(bytes),
        }
    }

    /// Takes all output so far; everything that was written can be decoded from it.
    pub(super) fn flush(&mut self) -> io::Result<Vec<u8>> {
        Ok(match self {
            Encoder::Gzip(writer) => {
                writer.flush()?;
                std::mem::take(writer.get_mut())
            }
            Encoder::Brotli(writer) => {
                writer.flush()?;
                std::mem::take(writer.get_mut())
            }
            Encoder::Zstd(writer) => {
                writer.flush()?;
                std::mem::take(writer.get_mut())
            }
        })
    }

    /// Ends the stream and takes the rest of the output.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(writer) => writer.finish(),
            Encoder::Brotli(writer) => Ok(writer.into_inner()),
            Encoder::Zstd(writer) => writer.finish(),
        }
    }
}

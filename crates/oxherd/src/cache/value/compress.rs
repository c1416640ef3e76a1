//! Compression, where it pays.
//!
//! Values above a size are compressed, and kept so only if that makes them at least a tenth smaller. Reading never
//! allocates more than the namespace allows, whatever the bytes claim. What compression a value has is named in its
//! envelope, so a namespace may change its own.
//! Next: `envelope.rs`.

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::Foreign;

/// How values are compressed.
///
/// The size of a sealed value tells how well it was compressed. Use [`Compression::None`] for values that mix secrets with
/// what a stranger may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// lz4: JSON becomes less than half as large, at about 1 GB/s; the default.
    #[default]
    Lz4,
    /// zstd: smaller and slower. Processes built without the feature `zstd` miss such entries.
    #[cfg(feature = "zstd")]
    Zstd {
        /// From 1 (fast) to 22 (small); what is outside counts as the nearest.
        level: i32,
    },
}

/// What was done to a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Plain,
    Lz4,
    Zstd,
}

impl Method {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Lz4 => 1,
            Self::Zstd => 2,
        }
    }

    pub(super) const fn of_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Plain),
            1 => Some(Self::Lz4),
            2 => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl Compression {
    /// Compresses into `packed`, if that pays.
    pub(super) fn pack(self, plain: &[u8], packed: &mut Vec<u8>) -> Method {
        let method = match self {
            Self::None => None,
            Self::Lz4 => lz4(plain, packed).map(|()| Method::Lz4),
            #[cfg(feature = "zstd")]
            Self::Zstd { level } => zstandard::pack(plain, packed, level).map(|()| Method::Zstd),
        };
        // What cannot be compressed is stored as it is: smaller would only have been better.
        match method {
            Some(method) if packed.len() <= plain.len() - plain.len() / 10 => method,
            _ => Method::Plain,
        }
    }
}

/// The plain bytes, exactly as many as declared; the caller has held `size` against its limit.
pub(super) fn unpack(method: Method, packed: &[u8], size: usize) -> Result<Vec<u8>, Foreign> {
    match method {
        Method::Plain => Ok(packed.to_vec()),
        Method::Lz4 => unlz4(packed, size),
        #[cfg(feature = "zstd")]
        Method::Zstd => zstandard::unpack(packed, size),
        #[cfg(not(feature = "zstd"))]
        Method::Zstd => Err(Foreign::Compression),
    }
}

/// Below this, positions fit the small table, which is faster to clear.
const SMALL: usize = u16::MAX as usize;

thread_local! {
    static SMALL_TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::small());
    static LARGE_TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::large());
}

fn lz4(plain: &[u8], packed: &mut Vec<u8>) -> Option<()> {
    packed.resize(get_maximum_output_size(plain.len()), 0);
    let table = if plain.len() < SMALL {
        &SMALL_TABLE
    } else {
        &LARGE_TABLE
    };
    let written = table
        .try_with(|table| compress_into_with_table(plain, packed, &mut *table.try_borrow_mut().ok()?).ok())
        .ok()??;
    packed.truncate(written);
    Some(())
}

/// A byte of lz4 stands for at most 255.
const LZ4_EXPANSION: usize = 255;

fn unlz4(packed: &[u8], size: usize) -> Result<Vec<u8>, Foreign> {
    if size / LZ4_EXPANSION > packed.len() {
        return Err(Foreign::Compression);
    }
    let mut plain = vec![0; size];
    match decompress_into(packed, &mut plain) {
        Ok(written) if written == size => Ok(plain),
        Ok(_) => Err(Foreign::Length),
        Err(_) => Err(Foreign::Compression),
    }
}

#[cfg(feature = "zstd")]
mod zstandard {
    //! Contexts of zstd are large; a thread keeps its own.

    use std::cell::RefCell;

    use zstd::bulk::{Compressor, Decompressor};
    use zstd::zstd_safe::{compress_bound, get_frame_content_size};

    use super::Foreign;

    thread_local! {
        static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }

    pub(super) fn pack(plain: &[u8], packed: &mut Vec<u8>, level: i32) -> Option<()> {
        let level = level.clamp(1, 22);
        packed.reserve(compress_bound(plain.len()));
        COMPRESSOR
            .try_with(|slot| {
                let mut slot = slot.try_borrow_mut().ok()?;
                if slot.as_ref().is_none_or(|(kept, _)| *kept != level) {
                    *slot = Some((level, Compressor::new(level).ok()?));
                }
                let (_, compressor) = slot.as_mut()?;
                compressor.compress_to_buffer(plain, packed).ok()
            })
            .ok()??;
        Some(())
    }

    pub(super) fn unpack(packed: &[u8], size: usize) -> Result<Vec<u8>, Foreign> {
        // The frame says its size too; a liar must say the same twice, and stays below the limit.
        if get_frame_content_size(packed).ok().flatten() != Some(size as u64) {
            return Err(Foreign::Compression);
        }
        let mut plain = Vec::with_capacity(size);
        let written = DECOMPRESSOR.try_with(|slot| {
            let mut slot = slot.try_borrow_mut().ok()?;
            if slot.is_none() {
                *slot = Some(Decompressor::new().ok()?);
            }
            slot.as_mut()?.decompress_to_buffer(packed, &mut plain).ok()
        });
        match written {
            Ok(Some(written)) if written == size => Ok(plain),
            Ok(Some(_)) => Err(Foreign::Length),
            _ => Err(Foreign::Compression),
        }
    }
}

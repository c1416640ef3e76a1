//! A page to an entry and back, in every way but sealed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use oxherd::cache::{Codec, Compression, Packing};

use super::figures::{Figure, Of};
use super::run::Scene;
use super::scratch::Page;
use crate::exit::Failure;

const CODECS: [(&str, Codec); 3] = [
    ("json", Codec::Json),
    ("messagepack", Codec::MessagePack),
    ("postcard", Codec::Postcard),
];
const COMPRESSIONS: [(&str, Compression); 2] = [("none", Compression::None), ("lz4", Compression::Lz4)];

struct Case {
    packing: Packing,
    entry: Vec<u8>,
    of: Of,
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

pub(super) fn measure(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let page = Page::new();
    let mut cases = Vec::new();
    for (codec_name, codec) in CODECS {
        for (compression_name, compression) in COMPRESSIONS {
            let packing = Packing::new().with_codec(codec).with_compression(compression);
            let entry = packing.pack(&page)?;
            let of = Of {
                value: Some("page"),
                codec: Some(codec_name),
                compression: Some(compression_name),
                bytes: Some(entry.len()),
                ..Of::default()
            };
            cases.push(Case {
                packing,
                entry,
                of,
                encode: Vec::new(),
                decode: Vec::new(),
            });
        }
    }
    for _ in scene.numbers(scene.calls) {
        for case in &mut cases {
            let began = Instant::now();
            black_box(case.packing.pack(&page)?);
            case.encode.push(began.elapsed());
            let began = Instant::now();
            let back: Option<Page> = black_box(case.packing.unpack(&case.entry));
            case.decode.push(began.elapsed());
            if back.is_none() {
                return Err(Failure::failed("an entry of the bench could not be read"));
            }
        }
    }
    let figures = cases.iter().flat_map(|case| {
        [
            Figure::of_calls("encode", case.of, &case.encode),
            Figure::of_calls("decode", case.of, &case.decode),
        ]
    });
    Ok(figures.collect())
}

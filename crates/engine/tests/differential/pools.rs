//! The values that generators choose from.
//!
//! Pools are small, so that keys collide and values interact. A pool has usual values and, after `~`, odd ones that
//! come up now and then: the limits of numbers, other spellings of them, infinities, empty and binary strings.
//! Next: `grammar.rs` (where pools are named), `scripts.rs` (the pool of scripts).

use std::collections::HashMap;

use fastrand::Rng;

use crate::notation;
use crate::scripts;

/// One in this many values is an odd one.
const RARITY: u32 = 14;

const COMMON: &str = r#"
v       a b c 1 2 10 -5 3.5 hello world foobar 12345 ~ "" " " "a b" "\x00\xff\x80" "\r\n" xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 9223372036854775807 -9223372036854775808 007 0 -0 1e3 10000000000000000000 0.1 inf nan OK ☃
junk    0 1 -1 2 10 a "" NX XX GET EX PX PXAT KEEPTTL LIMIT COUNT BY ASC MATCH STORE WITHSCORES REV LEFT ID * $ - + = "~" ( [ 0-0 abc 1.5 9223372036854775807 -9223372036854775808 9223372036854775808 -9223372036854775809 99999999999999999999 007 +1 " 1" "1 " -0 0x10 1e3 inf -inf nan "\x00" 1- -1-1 18446744073709551615 18446744073709551616
int     0 1 -1 2 3 5 10 -3 100 ~ 9223372036854775807 -9223372036854775808 9223372036854775808 -9223372036854775807 007 +1 " 1" "1 " -0 1.5 1e3 0x10 "" abc inf 00 99999999999999999999 4611686018427387904
i       0 1 2 3 -1 -2 -3 5 -10 10 ~ 9223372036854775807 -9223372036854775808 9223372036854775808 007 1.0 "" a 100 -100 1000
n       0 1 2 3 5 ~ -1 10 100 9223372036854775807 -9223372036854775808 9223372036854775808 a "" 1.5 01 4294967296
count   0 1 2 3 -1 -2 -5 10 ~ 5 -7 100 a "" 1.5 9223372036854775808 -0 9223372036854775807
float   0 1 -1 1.5 2.25 0.1 -0.5 3.0e2 10 100.001 ~ inf -inf +inf nan -nan 1e308 1e-5 1e17 123456789012345680 1e400 5e-324 -0 -0.0 0x1p3 3.14159265358979323846 " 1" "1 " 1_0 infinity 1.7976931348623157e308 "" abc 1. .5 1e 0.30000000000000004 9007199254740993 1e21 1e20 12345.678901234567890123
score   0 1 2 3 -1 1.5 0.1 2.5 10 100 ~ inf -inf +inf nan 1e308 -1e308 1e-5 1e17 1e21 0.30000000000000004 3.0000000000000004 " 1" "" abc 5e-324 1.7976931348623157e308 -0 0x10 9007199254740993 123456789.123 Infinity (1
bound   0 1 2 -1 (1 (2 (0 1.5 -inf +inf inf 10 ~ (inf (-inf nan ( (a "" "( 1" abc (1.5 100 1e308 "1 " -nan
lex     - + [a [b [c (a (b (c ~ a "" [ ( [hello (hello [zzz "[\xff" -- ++ "[a b"
ttl     100 1000 5000 100000 ~ 0 -1 -100 9223372036854775807 9223372036854775 9223372036854774 -9223372036854775808 1.5 abc "" 9223370399119966 0100
pttl    100000 5000000 123456789 ~ 0 -1 -100 9223372036854775807 9223370399119966807 -9223372036854775808 1.5 abc "" 1e6
at      4102444800 33177117420 9999999999 ~ 1 0 -1 9223372036854775807 9223372036854775 1.5 abc "" 1000000000
pat     4102444800000 33177117420000 9999999999999 @soon ~ 1 0 -1 9223372036854775807 1.5 abc "" 1000000000000
glob    * a* ?? [a-c] h*llo *e* ~ "" ? [^a] [^a-c]* \\* *\\ [ [a [a- [z-a] a[ **a** *** "\xff*" [\\]] s*r [a-
db      0 1 2 3 ~ 15 16 -1 a "" 01 9223372036854775808 4
bit     0 1 ~ 2 -1 a "" 01
offset  0 1 2 3 7 8 9 15 16 31 63 64 100 ~ -1 4294967296 5000000000 a "" 1.5 #0 #1 4611686018427387904 9223372036854775807
field   u8 i8 u1 i1 u4 i5 u16 i16 i32 i64 u63 u32 i17 ~ u64 i65 u0 i0 u a "" i-1 u08 U8 8
slot    0 1 2 3 8 #0 #1 #2 7 100 ~ -1 #-1 # a "" #a 4294967296 4294967295000 1.5 #9223372036854775807
f       f g h a ~ "" "a b" 1 "\x00" xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
l       l1 l2
number  1 2 3 4 5 10 -1 100 7 8 9 11 12 13 ~ 32767 32768 2147483648 -32769 0 -2147483649
positive 1 2 3 10 100 1000 ~ 0 -1 a "" 1.5
cursor  0 0 ~ a "" -1 1.5 18446744073709551616 " 0" 0a
type    string list hash set zset stream ~ "" none STRING foo
m       a b c d e 1 2 3 ~ "" "a b" "\x00\xff" 10 -1 1.0 007 9223372036854775807 9223372036854775808 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 32768 -32769 2147483648
"#;

#[derive(Clone, Debug)]
struct Pool {
    usual: Vec<Vec<u8>>,
    odd: Vec<Vec<u8>>,
}

/// The pools of one family.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pools: HashMap<String, Pool>,
}

impl Pools {
    /// The common pools with those of `text` added, one a line.
    pub(crate) fn new(text: &str) -> Self {
        let mut pools = HashMap::new();
        for line in COMMON.lines().chain(text.lines()).map(str::trim) {
            if line.is_empty() {
                continue;
            }
            let (name, values) = line.split_once(' ').expect("a name and values");
            let (usual, odd) = values.split_once(" ~ ").unwrap_or((values, ""));
            let pool = Pool {
                usual: notation::arguments(usual),
                odd: notation::arguments(odd),
            };
            pools.insert(name.to_owned(), pool);
        }
        Self { pools }
    }

    #[cfg(test)]
    pub(crate) fn with_keys(keys: &[&str]) -> Self {
        Self::new(&format!("k {}", keys.join(" ")))
    }

    pub(crate) fn pick(&self, name: &str, random: &mut Rng) -> Vec<u8> {
        match name {
            "script" => return scripts::random(random, self),
            "many" => return format!("m{}", random.u32(..1_000)).into_bytes(),
            _ => {}
        }
        let pool = self.pools.get(name).unwrap_or_else(|| panic!("no pool {name:?}"));
        let values = match !pool.odd.is_empty() && random.u32(..RARITY) == 0 {
            true => &pool.odd,
            false => &pool.usual,
        };
        values[random.usize(..values.len())].clone()
    }
}

//! A slow and simple reference inflater (RFC 1951) for the tests, which also reports how far back a stream refers.

/// The decompressed bytes, and the longest distance of a reference.
#[derive(Debug, Default)]
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    pub(super) farthest: usize,
}

/// Decompresses a stream up to the end of `input`, which must be the end of a block.
pub(super) fn inflate(input: &[u8]) -> Inflated {
    let mut bits = Bits { input, at: 0 };
    let mut out = Inflated::default();
    while bits.at < 8 * input.len() {
        let _last = bits.take(1);
        match bits.take(2) {
            0 => stored(&mut bits, &mut out),
            1 => {
                let lengths = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
                codes(&mut bits, &mut out, &Huffman::of(&lengths), &Huffman::of(&[5; 30]));
            }
            2 => {
                let (literals, distances) = dynamic(&mut bits);
                codes(&mut bits, &mut out, &literals, &distances);
            }
            kind => panic!("a block of type {kind}"),
        }
    }
    out
}

struct Bits<'a> {
    input: &'a [u8],
    /// The position in bits.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let bit = |at: usize| usize::from(self.input[at / 8] >> (at % 8) & 1);
        let value = (0..count).map(|place| bit(self.at + place) << place).sum();
        self.at += count;
        value
    }
}

/// A canonical Huffman code: the length, the bits and the value of each symbol.
struct Huffman(Vec<(usize, usize, usize)>);

impl Huffman {
    fn of(lengths: &[usize]) -> Self {
        let (mut codes, mut code) = (Vec::new(), 0);
        for length in 1..=15 {
            code <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &own)| own == length) {
                codes.push((length, code, symbol));
                code += 1;
            }
        }
        Self(codes)
    }

    fn take(&self, bits: &mut Bits<'_>) -> usize {
        let mut code = 0;
        for length in 1..=15 {
            code = code << 1 | bits.take(1);
            if let Some(found) = self.0.iter().find(|found| (found.0, found.1) == (length, code)) {
                return found.2;
            }
        }
        panic!("an unknown code")
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Inflated) {
    bits.at = bits.at.next_multiple_of(8);
    let len = bits.take(16);
    assert_eq!(bits.take(16), len ^ 0xffff, "lengths that disagree");
    let start = bits.at / 8;
    out.bytes.extend_from_slice(&bits.input[start..start + len]);
    bits.at += 8 * len;
}

fn dynamic(bits: &mut Bits<'_>) -> (Huffman, Huffman) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, own) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut lengths = [0; 19];
    for &place in &ORDER[..own] {
        lengths[place] = bits.take(3);
    }
    let code = Huffman::of(&lengths);
    let mut lengths: Vec<usize> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, count) = match code.take(bits) {
            16 => (*lengths.last().unwrap(), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length, 1),
        };
        lengths.extend(vec![value; count]);
    }
    (Huffman::of(&lengths[..literals]), Huffman::of(&lengths[literals..]))
}

fn codes(bits: &mut Bits<'_>, out: &mut Inflated, literals: &Huffman, distances: &Huffman) {
    loop {
        match literals.take(bits) {
            256 => return,
            literal @ 0..=255 => out.bytes.push(u8::try_from(literal).unwrap()),
            length => {
                let length = match length - 257 {
                    28 => 258,
                    code => stepped(bits, code, 4) + 3,
                };
                let code = distances.take(bits);
                let distance = stepped(bits, code, 2) + 1;
                out.farthest = out.farthest.max(distance);
                for _ in 0..length {
                    out.bytes.push(out.bytes[out.bytes.len() - distance]);
                }
            }
        }
    }
}

/// Reads a number whose count of extra bits grows by one every `each` codes, from the second such group on (section 3.2.5).
fn stepped(bits: &mut Bits<'_>, code: usize, each: usize) -> usize {
    if code < 2 * each {
        return code;
    }
    let extra = code / each - 1;
    ((each + code % each) << extra) + bits.take(extra)
}

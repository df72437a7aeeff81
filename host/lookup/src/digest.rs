//! SHA-1 as MediaWiki writes it: in base 36, 31 characters, padded with zeros.

use sha1::{Digest, Sha1};

/// Characters of a SHA-1 in base 36: 36^31 is the first power above 2^160.
pub(crate) const SHA1_BASE36_LENGTH: usize = 31;

/// The SHA-1 of `bytes` in base 36.
pub(crate) fn sha1_base36(bytes: &[u8]) -> [u8; SHA1_BASE36_LENGTH] {
    base36(&Sha1::digest(bytes).into())
}

/// Writes 160 bits in base 36, by dividing them by 36^6 (the largest power that fits into 32 bits) again and again.
fn base36(digest: &[u8; 20]) -> [u8; SHA1_BASE36_LENGTH] {
    const POWER: u64 = 36_u64.pow(6);
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut limbs = [0_u32; 5];
    for (limb, four) in limbs.iter_mut().zip(digest.as_chunks::<4>().0) {
        *limb = u32::from_be_bytes(*four);
    }
    let mut text = [b'0'; SHA1_BASE36_LENGTH];
    for six in text.rchunks_mut(6) {
        let mut rest = divide(&mut limbs, POWER);
        for place in six.iter_mut().rev() {
            *place = DIGITS.get((rest % 36) as usize).copied().unwrap_or(b'0');
            rest /= 36;
        }
    }
    text
}

/// Divides a big-endian number in place and returns the remainder.
fn divide(limbs: &mut [u32; 5], by: u64) -> u64 {
    let mut rest = 0;
    for limb in limbs {
        let value = rest << 32 | u64::from(*limb);
        *limb = (value / by) as u32;
        rest = value % by;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(std::str::from_utf8(&sha1_base36(text.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn known_digests_have_their_known_form() {
        // What MediaWiki stores for an empty page.
        check("", "phoiac9h4m842xq45sp7s6u21eteeq1");
    }

    #[test]
    fn small_numbers_are_padded_with_zeros() {
        let mut one = [0; 20];
        one[19] = 37;
        assert_eq!(&base36(&one), b"0000000000000000000000000000011");
        assert_eq!(&base36(&[0; 20]), b"0000000000000000000000000000000");
    }

    proptest! {
        #[test]
        fn reading_base36_gives_the_digest_back(digest: [u8; 20]) {
            let mut bytes = [0_u8; 20];
            for digit in base36(&digest) {
                let mut carry = u32::from((digit as char).to_digit(36).unwrap() as u8);
                for byte in bytes.iter_mut().rev() {
                    let value = u32::from(*byte) * 36 + carry;
                    *byte = value as u8;
                    carry = value >> 8;
                }
                prop_assert_eq!(carry, 0);
            }
            prop_assert_eq!(bytes, digest);
        }
    }
}

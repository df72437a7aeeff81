//! Cutting a document down to the fields that a plugin reads.

use super::{Document, Kind, Value};
use crate::projection::{Projection, Seen};

pub(super) fn project(document: &Document, projection: &Projection, out: &mut Vec<u8>) {
    match projection.root() {
        Seen::Whole => document.write(out),
        seen => object(document.root(), seen, out),
    }
}

/// Appends an object with those of its members that are seen. Recursion ends with the projection's longest pointer.
fn object(value: Value<'_>, seen: Seen<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut is_first = true;
    for (key, value) in value.members() {
        let seen = seen.below_key(key);
        let is_part = match (seen, value.kind()) {
            (Seen::Nothing, _) => continue,
            (Seen::Whole, _) | (Seen::Some(_), Kind::Array) => false,
            (Seen::Some(_), Kind::Object) => true,
            // The pointer goes on where the value ends: the field is not there.
            (Seen::Some(_), _) => continue,
        };
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        key.write(out);
        if is_part { object(value, seen, out) } else { value.write(out) }
    }
    out.push(b'}');
}

//! I am text that is still in pieces.
//!
//! `["/v2", req.uri()]` goes to the answer piece by piece: no `format!`, no string in between.

/// Text that can be appended to an answer: a string, a number, or several of them in a tuple or an array.
pub trait Text {
    /// How many bytes `put` will write, or a little more.
    fn size(&self) -> usize;
    /// Appends the text.
    fn put(&self, out: &mut Vec<u8>);
}

impl Text for str {
    fn size(&self) -> usize {
        self.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Text for String {
    fn size(&self) -> usize {
        self.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }
}

impl<T: Text + ?Sized> Text for &T {
    fn size(&self) -> usize {
        (**self).size()
    }

    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

/// Nothing where there is nothing.
impl<T: Text> Text for Option<T> {
    fn size(&self) -> usize {
        self.as_ref().map_or(0, Text::size)
    }

    fn put(&self, out: &mut Vec<u8>) {
        if let Some(text) = self {
            text.put(out);
        }
    }
}

impl<T: Text, const N: usize> Text for [T; N] {
    fn size(&self) -> usize {
        self.iter().map(Text::size).sum()
    }

    fn put(&self, out: &mut Vec<u8>) {
        for text in self {
            text.put(out);
        }
    }
}

macro_rules! tuple {
    ($($name:ident)*) => {
        impl<$($name: Text),*> Text for ($($name,)*) {
            #[allow(non_snake_case)]
            fn size(&self) -> usize {
                let ($($name,)*) = self;
                0 $(+ $name.size())*
            }

            #[allow(non_snake_case)]
            fn put(&self, out: &mut Vec<u8>) {
                let ($($name,)*) = self;
                $($name.put(out);)*
            }
        }
    };
}
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

macro_rules! number {
    ($($number:ty)*) => {
        $(impl Text for $number {
            fn size(&self) -> usize {
                20
            }

            fn put(&self, out: &mut Vec<u8>) {
                decimal(*self as u64, out);
            }
        })*
    };
}
number!(u8 u16 u32 u64 usize);

fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(20 - used));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: impl Text) -> String {
        let mut out = Vec::new();
        text.put(&mut out);
        assert!(text.size() >= out.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_are_joined() {
        assert_eq!(text(["/a", "", "/b"]), "/a/b");
        assert_eq!(text(("/a?", Some("x"), None::<&str>, 7u32)), "/a?x7");
        assert_eq!(text((0u8, '/'.to_string(), u64::MAX)), "0/18446744073709551615");
    }
}

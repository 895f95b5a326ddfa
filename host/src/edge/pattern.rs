//! Path patterns of behaviors (CloudFront: `*` any run of characters, `/` too; `?` exactly one; case-sensitive).

/// A pattern, with its leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Box<[u8]>);

impl Pattern {
    /// A leading `/` is optional in the configuration.
    pub(super) fn new(text: &str) -> Pattern {
        let rooted = text.starts_with(['/', '*', '?']);
        Pattern(if rooted { text.as_bytes().into() } else { [b"/", text.as_bytes()].concat().into() })
    }

    /// At most pattern × path steps: after a mismatch only the last `*` takes one character more.
    pub(super) fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (&self.0[..], path.as_bytes());
        let (mut p, mut s) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while s < path.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, s));
                    p += 1;
                }
                Some(&byte) if byte == path[s] || byte == b'?' => {
                    p += 1;
                    s += 1;
                }
                _ => {
                    let Some((at, from)) = star else { return false };
                    star = Some((at, from + 1));
                    p = at + 1;
                    s = from + 1;
                }
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    #[test]
    fn patterns_match_as_cloudfronts_do() {
        for (pattern, path, expected) in [
            ("*", "/", true),
            ("*", "/any/thing.html", true),
            ("/images/*.jpg", "/images/a/b.jpg", true),
            ("images/*.jpg", "/images/a.jpg", true),
            ("/images/*.jpg", "/images/a.JPG", false),
            ("/a??.gif", "/abc.gif", true),
            ("/a??.gif", "/ab.gif", false),
            ("/api/*", "/api", false),
            ("/api*", "/api", true),
            ("*.css", "/x/y.css", true),
            ("/a*b*c", "/aXbXbc", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(path), expected, "{pattern} {path}");
        }
    }

    fn naive(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => naive(rest, path) || (!path.is_empty() && naive(pattern, &path[1..])),
            ([b'?', rest @ ..], [_, tail @ ..]) => naive(rest, tail),
            ([a, rest @ ..], [b, tail @ ..]) if a == b => naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition(pattern in "/[ab*?]{0,8}", path in "/[ab]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&path), naive(pattern.as_bytes(), path.as_bytes()));
        }
    }
}

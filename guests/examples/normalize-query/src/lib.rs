//! Brings query strings into one form, so that a cache sees one URL where people write many: parameters that
//! only track are dropped, the others sorted by name. Values of one name keep their order.

use edgeward_sdk::Request;

edgeward_sdk::viewer_request!(handle);

fn handle(req: &mut Request) {
    let mut pairs: Vec<(&str, &str)> = req.query().split('&').filter_map(keep).collect();
    let sorted = pairs.is_sorted_by_key(|(name, _)| *name);
    let kept = pairs.iter().map(|(_, pair)| pair.len() + 1).sum::<usize>();
    if sorted && kept == req.query().len() + usize::from(!pairs.is_empty()) {
        // Nothing to change, except a lone `?`, which is another URL to a cache.
        if pairs.is_empty() && req.has_query() {
            req.set_query("");
        }
        return;
    }
    pairs.sort_by_key(|(name, _)| *name);
    let mut query = String::with_capacity(kept);
    for (_, pair) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(pair);
    }
    req.set_query(query);
}

/// The name and the whole of a pair that means something to the origin.
fn keep(pair: &str) -> Option<(&str, &str)> {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let tracks = name.starts_with("utm_") || matches!(name, "gclid" | "fbclid" | "msclkid" | "mc_cid" | "mc_eid");
    (!pair.is_empty() && !tracks).then_some((name, pair))
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn queries_come_out_in_one_form() {
        for (url, expected) in [
            ("/?b=2&a=1", Some("a=1&b=2")),
            ("/?a=2&a=1", None),
            ("/?utm_source=x&q=1", Some("q=1")),
            ("/?utm_source=x", Some("")),
            ("/?", Some("")),
            ("/?a=1&&b", Some("a=1&b")),
            ("/?a=1&b", None),
            ("/", None),
        ] {
            let outcome = Case::request("GET", url).run(super::handle);
            assert_eq!(outcome.query(), expected, "{url}");
        }
    }
}

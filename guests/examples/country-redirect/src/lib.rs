//! Sends a visitor of the front page to the edition of their country, unless they have chosen one.
//!
//! The country is in `cloudfront-viewer-country`, where the deployment adds it. 302, and not cacheable:
//! the same URL means something else elsewhere.

use edgeward_sdk::{Flow, Reply, Request};

edgeward_sdk::viewer_request!(handle);

fn handle(req: &mut Request) -> Flow {
    if req.uri() != "/" || req.cookie("edition").is_some() {
        return Flow::Continue;
    }
    let Some(edition) = req.header("cloudfront-viewer-country").and_then(edition) else {
        return Flow::Continue;
    };
    let query = req.has_query().then(|| ("?", req.query()));
    Reply::redirect(302, ("/", edition, "/", query)).header("cache-control", "no-store").into()
}

fn edition(country: &str) -> Option<&'static str> {
    Some(match country {
        "DE" | "AT" | "CH" | "LI" => "de",
        "FR" | "BE" | "LU" | "MC" => "fr",
        "JP" => "ja",
        "BR" | "PT" => "pt",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn the_front_page_leads_to_the_edition() {
        let case = Case::request("GET", "/?a=b").header("cloudfront-viewer-country", "AT");
        let outcome = case.run(super::handle);
        assert_eq!(outcome.status(), Some(302));
        assert_eq!(outcome.header("location").as_deref(), Some("/de/?a=b"));
        let chosen = case.header("cookie", "a=b; edition=en").run(super::handle);
        assert_eq!(chosen.status(), None);
    }

    #[test]
    fn other_pages_and_countries_are_left_alone() {
        for (uri, country) in [("/x", "DE"), ("/", "US"), ("/", "")] {
            let outcome = Case::request("GET", uri).header("cloudfront-viewer-country", country).run(super::handle);
            assert!(outcome.ops().is_empty());
        }
    }
}

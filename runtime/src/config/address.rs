//! Settings that are addresses: what counts as one, and how it is shown.

use super::Settings;

impl Settings {
    /// The address of a service: `http://host:port` or `https://…`. Another text is a problem.
    pub fn address(&mut self, key: &str, default: &str, meaning: &str) -> String {
        let address = self.get(key, default.to_owned(), meaning);
        self.check_address(key, &address);
        address
    }

    /// The same of an address that must be given.
    pub fn required_address(&mut self, key: &str, meaning: &str) -> String {
        let address: String = self.require(key, meaning);
        if !address.is_empty() {
            self.check_address(key, &address);
        }
        address
    }

    /// The same of several, separated by commas.
    pub fn addresses(&mut self, key: &str, default: &str, meaning: &str) -> String {
        let addresses = self.get(key, default.to_owned(), meaning);
        addresses.split(',').for_each(|address| self.check_address(key, address.trim()));
        addresses
    }

    fn check_address(&mut self, key: &str, address: &str) {
        if !is_address(address) {
            let shown = redacted(address);
            self.problem(key, &format!("{shown:?} is not an address such as http://host:port"));
        }
    }
}

/// An absolute http or https address to which a path can be added.
pub(super) fn is_address(text: &str) -> bool {
    let plain = !text.contains(['?', '#', ' ']);
    text.parse::<http::Uri>().is_ok_and(|address| {
        plain
            && matches!(address.scheme_str(), Some("http" | "https"))
            && address.host().is_some_and(|host| !host.is_empty())
    })
}

/// An address without what may be secret in it: user, password and query.
pub(super) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let host = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{host}{query}")
}

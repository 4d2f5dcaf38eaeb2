//! Reads where a machine gets its Debian packages from, and names the mirrors that carry the distribution itself.
//!
//! Both forms of apt's configuration: deb822 (`*.sources`) and one line each (`*.list`). Nothing is checked that apt
//! checks; an entry that cannot be read is skipped, as apt will say what is wrong with it.

use std::fmt::Write;

/// One entry for binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    pub(super) options: Options,
}

/// The options that say whom to believe. They go with the mirror into a private configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options(Vec<(&'static str, String)>);

/// Fields of deb822, and in lower case the options of the one-line form.
const KEPT_OPTIONS: [&str; 3] = ["Signed-By", "Trusted", "Check-Valid-Until"];

/// Suites by which a distribution's own mirror can be known where os-release gives no code name.
const ALIASES: [&str; 5] = ["oldstable", "stable", "testing", "unstable", "sid"];

/// The entries of a `*.sources` file.
pub(super) fn parse_deb822(text: &str) -> Vec<Source> {
    text.split("\n\n").flat_map(|part| part.split("\n\t\n")).filter_map(parse_stanza).collect()
}

/// The entries of a `*.list` file.
pub(super) fn parse_lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

/// A configuration that finds `suite` on every mirror from which the machine gets the release it runs.
///
/// `None` where there is no such mirror. Other sources (vendors, security updates) do not carry the suite.
pub(super) fn for_suite(sources: &[Source], codename: Option<&str>, suite: &str) -> Option<String> {
    let of_distribution = |source: &&Source| {
        let known = |suite: &String| codename == Some(suite) || ALIASES.contains(&suite.as_str());
        source.suites.iter().any(known) && source.components.iter().any(|component| component == "main")
    };
    let mut seen = Vec::new();
    let mut text = String::new();
    for source in sources.iter().filter(of_distribution) {
        for uri in source.uris.iter().filter(|uri| !uri.trim_end_matches('/').ends_with("-security")) {
            if seen.contains(&uri) {
                continue;
            }
            seen.push(uri);
            // Writing to a String cannot fail.
            let _ = write!(text, "Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n");
            for (name, value) in &source.options.0 {
                let _ = writeln!(text, "{name}: {value}");
            }
            text.push('\n');
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The code name in the text of an os-release file.
pub(super) fn codename(os_release: &str) -> Option<&str> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then_some(value)
}

fn parse_stanza(stanza: &str) -> Option<Source> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in stanza.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            // A continuation, as of a key that stands in the file itself.
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim_end());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let words = |wanted| field(wanted).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"))
        || !field("Types")?.split_whitespace().any(|kind| kind == "deb")
    {
        return None;
    }
    let kept = KEPT_OPTIONS.into_iter().filter_map(|name| Some((name, field(name)?.to_owned())));
    Some(Source {
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        options: Options(kept.collect()),
    })
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        options: parse_options(options),
    })
}

fn parse_options(text: &str) -> Options {
    let kept = text.split_whitespace().filter_map(|option| {
        let (name, value) = option.split_once('=')?;
        let name = KEPT_OPTIONS.into_iter().find(|kept| kept.eq_ignore_ascii_case(name))?;
        // Several values stand between commas here, and between spaces in deb822.
        Some((name, value.replace(',', " ")))
    });
    Options(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(
        uris: &[&str],
        suites: &[&str],
        components: &[&str],
        options: &[(&'static str, &str)],
    ) -> Source {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Source {
            uris: owned(uris),
            suites: owned(suites),
            components: owned(components),
            options: Options(options.iter().map(|&(name, value)| (name, value.to_owned())).collect()),
        }
    }

    #[test]
    fn deb822_entries_are_read_with_their_options() {
        let text = "# The release.\nTypes: deb deb-src\nURIs: http://mirror.test/debian\nsuites: bookworm bookworm-updates\n\
            Components: main contrib\nSigned-By: /keys/a.gpg\n\n\
            Types: deb\nEnabled: no\nURIs: http://off.test\nSuites: bookworm\nComponents: main\n\n\
            Types: deb-src\nURIs: http://src.test\nSuites: bookworm\nComponents: main\n\n\
            Types: deb\nURIs: http://vendor.test\nSuites: any\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\nTrusted: yes\n";
        let expected = [
            source(
                &["http://mirror.test/debian"],
                &["bookworm", "bookworm-updates"],
                &["main", "contrib"],
                &[("Signed-By", "/keys/a.gpg")],
            ),
            source(
                &["http://vendor.test"],
                &["any"],
                &["main"],
                &[("Signed-By", "\n -----BEGIN\n .\n -----END"), ("Trusted", "yes")],
            ),
        ];
        assert_eq!(parse_deb822(text), expected);
    }

    #[test]
    fn one_line_entries_are_read_with_their_options() {
        for (line, expected) in [
            ("deb http://m.test/debian trixie main", Some((&["main"][..], &[][..]))),
            ("  deb\thttp://m.test/debian trixie main contrib # why", Some((&["main", "contrib"], &[]))),
            (
                "deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg trusted=yes] http://m.test/debian trixie main",
                Some((&["main"], &[("Signed-By", "/k/a.gpg /k/b.gpg"), ("Trusted", "yes")])),
            ),
            ("# deb http://m.test/debian trixie main", None),
            ("deb-src http://m.test/debian trixie main", None),
            ("deb http://m.test/debian", None),
            ("deb [arch=amd64 http://m.test/debian trixie main", None),
            ("", None),
        ] {
            let expected = expected.map(|(components, options)| {
                source(&["http://m.test/debian"], &["trixie"], components, options)
            });
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }

    #[test]
    fn a_suite_is_looked_up_on_the_mirrors_of_the_release_only() {
        let main = ["main"];
        let signed = [("Signed-By", "/k/a.gpg")];
        let sources = [
            source(&["http://a.test/debian"], &["bookworm", "bookworm-updates"], &main, &signed),
            source(&["http://a.test/debian"], &["bookworm"], &main, &signed),
            source(&["http://a.test/debian-security"], &["bookworm-security", "bookworm"], &main, &signed),
            source(&["http://vendor.test"], &["vendor-bookworm"], &main, &[]),
            source(&["http://docker.test"], &["bookworm"], &["stable"], &[]),
        ];
        let expected = "Types: deb\nURIs: http://a.test/debian\nSuites: backports\nComponents: main\nSigned-By: /k/a.gpg\n\n";
        assert_eq!(for_suite(&sources, Some("bookworm"), "backports").as_deref(), Some(expected));
        assert_eq!(for_suite(&sources, Some("trixie"), "backports"), None);
        assert_eq!(for_suite(&sources, None, "backports"), None);
        let rolling = [source(&["http://a.test/debian"], &["testing"], &main, &[])];
        assert!(for_suite(&rolling, None, "backports").is_some());
    }

    #[test]
    fn the_code_name_is_read_from_os_release() {
        for (text, expected) in [
            ("NAME=Debian\nVERSION_CODENAME=bookworm\n", Some("bookworm")),
            ("VERSION_CODENAME=\"noble\"", Some("noble")),
            ("VERSION_CODENAME=\n", None),
            ("ID=arch\n", None),
        ] {
            assert_eq!(codename(text), expected, "{text}");
        }
    }
}

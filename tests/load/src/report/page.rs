//! The page: everything it needs is in it.

use super::Section;
use crate::Check;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:.5rem 0;width:100%}td,th{border:1px solid #ddd;padding:.2rem .5rem;text-align:left;vertical-align:top}\
th{background:#f5f5f5}.ok{color:#176b2c}.failed{color:#fff;background:#b3261e}.unjudged{color:#666}svg{max-width:100%;height:auto}h2{margin-top:2.5rem}";

/// The whole page.
pub(super) fn page(title: &str, remarks: &[String], sections: &[Section]) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<ul>"
    );
    for remark in remarks {
        let _ = write!(page, "<li>{}</li>", escaped(remark));
    }
    page += "</ul>\n<table><tr><th>scenario</th><th>verdict</th></tr>";
    for section in sections {
        let name = escaped(&section.name);
        let failed = section.checks.iter().filter(|check| check.failed()).count();
        let (class, verdict) = match failed {
            0 => ("ok", "holds".to_owned()),
            count => ("failed", format!("{count} of {} failed", section.checks.len())),
        };
        let _ = write!(
            page,
            "<tr><td><a href=\"#{name}\">{name}</a></td><td class=\"{class}\">{verdict}</td></tr>"
        );
    }
    page += "</table>\n";
    sections.iter().for_each(|section| write_section(&mut page, section));
    page + "</body></html>\n"
}

fn write_section(page: &mut String, section: &Section) {
    let name = escaped(&section.name);
    let _ = write!(page, "<h2 id=\"{name}\">{name}</h2><p>{}</p>\n<table>", escaped(&section.about));
    *page += "<tr><th>what must hold</th><th>wanted</th><th>found</th><th></th></tr>";
    section.checks.iter().for_each(|check| write_check(page, check));
    *page += "</table>\n";
    if let Some((head, rows)) = section.table.split_first() {
        *page += "<table>";
        write_row(page, "th", head);
        rows.iter().for_each(|row| write_row(page, "td", row));
        *page += "</table>\n";
    }
    section.charts.iter().for_each(|chart| *page += &chart.svg());
}

fn write_check(page: &mut String, check: &Check) {
    let (class, verdict) = match check.held {
        Some(true) => ("ok", "ok"),
        Some(false) => ("failed", "failed"),
        None => ("unjudged", "not judged"),
    };
    let [name, wanted, found] = [&check.name, &check.wanted, &check.found].map(|text| escaped(text));
    let _ = write!(
        page,
        "<tr><td>{name}</td><td>{wanted}</td><td>{found}</td><td class=\"{class}\">{verdict}</td></tr>"
    );
}

fn write_row(page: &mut String, cell: &str, row: &[String]) {
    *page += "<tr>";
    for text in row {
        let _ = write!(page, "<{cell}>{}</{cell}>", escaped(text));
    }
    *page += "</tr>";
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

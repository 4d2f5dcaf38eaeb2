//! What must stand in which file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::reference::{shared_page, table};
use crate::{FILTERS, Filter};

/// Between these stands what is generated.
const BEGIN: &str = "<!-- reference: written by `make schema` -->";
const END: &str = "<!-- end of reference -->";

/// A file and what must stand in it.
#[derive(Clone, Debug)]
pub struct Output {
    /// Where it lies.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// Every file that is made from the types, in a working copy at `root`.
///
/// # Errors
/// When a page that should have a table cannot be read or has no place for it.
pub fn outputs(root: &Path) -> Result<Vec<Output>, String> {
    let mut all = Vec::new();
    for filter in FILTERS {
        let path = root.join(format!("envoy/schema/{}.json", filter.name));
        let text = serde_json::to_string_pretty(&filter.schema()).map_err(|error| error.to_string())?;
        all.push(Output { path, text: text + "\n" });
        all.push(page(root, filter)?);
    }
    all.push(Output { path: root.join("envoy/schema/README.md"), text: shared_page() });
    Ok(all)
}

/// The filter's own page with its table.
fn page(root: &Path, filter: &Filter) -> Result<Output, String> {
    let path = root.join(format!("filters/{}/README.md", filter.name));
    let said = |reason: &str| format!("{}: {reason}", path.display());
    let page = std::fs::read_to_string(&path).map_err(|error| said(&error.to_string()))?;
    let missing =
        || said(&format!("no place for the table: `{BEGIN}` and `{END}`, each on a line of its own"));
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let mut text = String::from(before);
    let _ = write!(text, "{BEGIN}\n\n{}\n{END}{after}", table(&filter.schema()));
    Ok(Output { path, text })
}

//! One table: a line for each question, a column for each way.

use super::Way;

/// One figure of one way.
#[derive(Clone, Debug)]
pub struct Measure {
    what: String,
    value: f64,
    unit: Unit,
    bound: Option<Bound>,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A share of one, as a percentage.
    Percent,
    /// The same with one more digit.
    FinePercent,
    /// Milliseconds.
    Millis,
    /// A number of things.
    Count,
}

/// What a figure of Ballast must keep.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// Both.
    Between(f64, f64),
}

/// One line.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    bound: Option<Bound>,
    unit: Unit,
    values: Vec<(Way, f64)>,
}

impl Measure {
    /// What was asked, and the answer.
    pub fn new(what: impl Into<String>, value: f64, unit: Unit, bound: Option<Bound>) -> Self {
        Self { what: what.into(), value, unit, bound }
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{:.1}%", value * 100.0),
            Self::FinePercent => format!("{:.2}%", value * 100.0),
            // Nobody was answered.
            Self::Millis if value <= 0.0 => "-".to_owned(),
            Self::Millis => format!("{value:.0} ms"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }

    fn write(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", unit.write(least)),
            Self::AtMost(most) => format!("at most {}", unit.write(most)),
            Self::Between(least, most) => format!("{} to {}", unit.write(least), unit.write(most)),
        }
    }
}

impl Row {
    /// Puts what a way has measured into the lines, in the order in which questions first came.
    pub fn add(rows: &mut Vec<Self>, way: Way, measures: Vec<Measure>) {
        for Measure { what, value, unit, bound } in measures {
            match rows.iter_mut().find(|row| row.what == what) {
                Some(row) => row.values.push((way, value)),
                None => rows.push(Self { what, bound, unit, values: vec![(way, value)] }),
            }
        }
    }

    /// Whether Ballast keeps the bound, if there is one and Ballast was measured.
    pub fn holds(&self) -> bool {
        let ours = self.value(Way::Ballast);
        self.bound.zip(ours).is_none_or(|(bound, value)| bound.holds(value))
    }

    /// The whole table in Markdown. A figure of Ballast that misses its bound is marked.
    pub fn table(rows: &[Self], ways: &[Way]) -> String {
        let mut lines = vec![
            format!("| | {} | bound |", ways.iter().map(|way| way.name()).collect::<Vec<_>>().join(" | ")),
            format!("|---|{}---|", "---|".repeat(ways.len())),
        ];
        for row in rows {
            let cell = |way: &Way| row.value(*way).map_or(String::new(), |value| row.unit.write(value));
            let mut cells: Vec<String> = ways.iter().map(cell).collect();
            if let (false, Some(last)) = (row.holds(), cells.last_mut()) {
                last.push_str(" (missed)");
            }
            let bound = row.bound.map_or(String::new(), |bound| bound.write(row.unit));
            lines.push(format!("| {} | {} | {bound} |", row.what, cells.join(" | ")));
        }
        lines.join("\n")
    }

    fn value(&self, way: Way) -> Option<f64> {
        self.values.iter().find(|(known, _)| *known == way).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_stand_side_by_side_and_only_ballast_is_held_to_the_bound() {
        let measure = |value| vec![Measure::new("goodput", value, Unit::Percent, Some(Bound::AtLeast(0.95)))];
        let mut rows = Vec::new();
        Row::add(&mut rows, Way::Nothing, measure(0.07));
        assert!(rows[0].holds());
        Row::add(&mut rows, Way::Ballast, measure(0.94));
        assert!(!rows[0].holds());
        assert_eq!(
            Row::table(&rows, &[Way::Nothing, Way::Ballast]),
            "| | no protection | Ballast load shedding | bound |\n|---|---|---|---|\n\
             | goodput | 7.0% | 94.0% (missed) | at least 95.0% |"
        );
    }
}

//! Lines over time, drawn as SVG.

use charts_rs::{LineChart, Series, Symbol};

const WIDTH: f32 = 720.0;
const HEIGHT: f32 = 220.0;
/// More points than this are drawn as the largest of each stretch.
const MOST_POINTS: usize = 300;

/// A chart of lines over the seconds of a run.
pub(super) struct Chart {
    title: String,
    lines: Vec<Line>,
    /// The second of each point; each its own number, where empty.
    pub(super) at: Vec<f64>,
}

/// One of its lines.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<f64>,
}

impl Line {
    /// At most so many points: the largest of each stretch, so that no peak is lost.
    pub(super) fn drawn(&self, most: usize) -> Vec<f64> {
        let stretch = self.points.len().div_ceil(most).max(1);
        self.points.chunks(stretch).map(|part| part.iter().copied().fold(f64::MIN, f64::max)).collect()
    }
}

impl Chart {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), lines: Vec::new(), at: Vec::new() }
    }

    pub(super) fn line(mut self, name: &str, points: impl Iterator<Item = f64>) -> Self {
        self.lines.push(Line { name: name.to_owned(), points: points.collect() });
        self
    }

    /// The drawing; what went wrong as text in its place.
    pub(super) fn svg(&self) -> String {
        let longest = self.lines.iter().map(|line| line.points.len()).max().unwrap_or(0);
        let stretch = longest.div_ceil(MOST_POINTS).max(1);
        let second = |point: usize| self.at.get(point).copied().unwrap_or(point as f64);
        let axis = (0..longest).step_by(stretch).map(|point| format!("{:.0}", second(point))).collect();
        let series = self.lines.iter().map(|line| {
            let points = line.drawn(MOST_POINTS).into_iter().map(|value| value as f32).collect::<Vec<_>>();
            Series::from((line.name.as_str(), points))
        });
        let mut chart = LineChart::new(series.collect(), axis);
        chart.width = WIDTH;
        chart.height = HEIGHT;
        chart.title.text.clone_from(&self.title);
        chart.title.font.size = 14.0;
        chart.series.symbol = Some(Symbol::None);
        chart.series.stroke_width = 1.5;
        chart.series.smooth = false;
        chart.empty_text = Some("nothing was seen".to_owned());
        chart.compact = true;
        chart.svg().unwrap_or_else(|error| format!("<svg><text>{error}</text></svg>"))
    }
}

//! Editing files of colon-separated lines, leaving alone whatever is not meant.

/// The text of `passwd.DOMAIN` or `shadow.DOMAIN`, line by line.
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// The lines of `text`; octets that are no UTF-8 are nobody's line and stay as they are as far as text can.
    pub(super) fn of(text: &str) -> Lines {
        Lines(text.lines().map(str::to_owned).collect())
    }

    /// The fields of the line of `name`.
    pub(super) fn fields(&self, name: &str) -> Option<Vec<String>> {
        self.0.iter().find(|line| is_of(line, name)).map(|line| line.split(':').map(str::to_owned).collect())
    }

    /// Puts a line in the place of that of `name`, or at the end.
    pub(super) fn put(&mut self, name: &str, fields: &[String]) {
        let line = fields.join(":");
        match self.0.iter_mut().find(|line| is_of(line, name)) {
            Some(old) => *old = line,
            None => self.0.push(line),
        }
    }

    /// Takes the lines of `name` away.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|line| !is_of(line, name));
    }

    /// The text again.
    pub(super) fn text(&self) -> String {
        self.0.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// Names are compared as the directory does: case and trailing blanks make no difference.
fn is_of(line: &str, name: &str) -> bool {
    line.split(':').next().is_some_and(|first| first.trim_end().to_lowercase() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_stay_as_they_are() {
        let mut lines = Lines::of("# ours\nJoe:x:1:1:::\nbad line\n");
        lines.put("joe", &["joe".into(), "y".into()]);
        lines.put("ann", &["ann".into(), "z".into()]);
        assert_eq!(lines.text(), "# ours\njoe:y\nbad line\nann:z\n");
        lines.remove("joe");
        assert_eq!(lines.text(), "# ours\nbad line\nann:z\n");
        assert_eq!(lines.fields("ann").unwrap(), ["ann", "z"]);
    }
}

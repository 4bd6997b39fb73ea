"""Looking at clips: a page in the browser, recordings for rerun, label videos. Heavy packages load on first use."""

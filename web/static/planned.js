// The page says everything; only the theme button works, and that is theme.js.

"""The tour: the first programs, each shown on the screen, in pictures and on the report page."""

"""What a maintainer runs: execute notebooks, write the pages, make the student versions."""

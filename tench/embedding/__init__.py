"""Running a frozen trunk over pictures, once, and keeping what comes out."""

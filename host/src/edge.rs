//! I am the life of an edge request, readable on one screen.

//! Tables of both rule books, and an oracle.

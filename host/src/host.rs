//! I build every part in order, bind sockets early, serve late, and drain in reverse.

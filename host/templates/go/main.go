// A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
// stdout, and stderr to the log.
package main

import (
	"fmt"
	"os"
)

func main() {
	path := os.Getenv("PATH_INFO")
	fmt.Fprintln(os.Stderr, "asked for", path)
	fmt.Print("Content-Type: text/plain; charset=utf-8\n\n")
	fmt.Printf("hello from {{name}}: %s %s\n", os.Getenv("REQUEST_METHOD"), path)
}

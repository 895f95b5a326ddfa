// A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
// stdout, and stderr to the log.

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const char *method = getenv("REQUEST_METHOD");
    const char *path = getenv("PATH_INFO");
    fprintf(stderr, "asked for %s\n", path ? path : "");
    printf("Content-Type: text/plain; charset=utf-8\n\n");
    printf("hello from {{name}}: %s %s\n", method ? method : "", path ? path : "");
    return 0;
}

// A program that answers each request as CGI (RFC 3875): the request is in the environment and on stdin, the response goes to
// stdout, and stderr to the log.

#include <cstdlib>
#include <iostream>
#include <string>

static std::string variable(const char *name) {
    const char *value = std::getenv(name);
    return value ? value : "";
}

int main() {
    const std::string path = variable("PATH_INFO");
    std::cerr << "asked for " << path << "\n";
    std::cout << "Content-Type: text/plain; charset=utf-8\n\n";
    std::cout << "hello from {{name}}: " << variable("REQUEST_METHOD") << " " << path << "\n";
}

#include <stdio.h>

int main(void) {
    char buffer[4096];
    size_t bytes;
    while ((bytes = fread(buffer, 1, sizeof buffer, stdin)) > 0) fwrite(buffer, 1, bytes, stdout);
    return 0;
}

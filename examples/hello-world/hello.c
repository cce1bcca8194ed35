#include <stdio.h>

int main(void) {
    puts(GREETING "\nThis is " NAME ", and there is nothing in its image but this program.");
    return 0;
}

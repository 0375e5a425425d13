// Breaks the layering, for the test of the layering test.
#include "fine.h"
#include "ops/down.h"

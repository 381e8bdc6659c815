/* Stands in for the device code where nvcc was not found. */
const unsigned long long deepsport_fatbin[] = {0};
const int deepsport_has_fatbin = 0;

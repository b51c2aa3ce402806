/// An MPI of one process; variants hang, as one with a broken network does.
#include "openMpi.h"

#include <unistd.h>

#include <cstdlib>

char ompi_mpi_comm_world[512];

namespace {

bool initialized = false;

[[maybe_unused]] void hang() {
    while (true) {
        pause();
    }
}

#ifdef STAND_IN_HANGS_AT_LOAD
struct Hang {
    Hang() { hang(); }
} const kHANG;
#endif

} // namespace

int MPI_Initialized(int* flag) {
    *flag = initialized ? 1 : 0;
    return 0;
}

int MPI_Init_thread(int*, char***, int required, int* provided) {
#ifdef STAND_IN_HANGS_AT_INIT
    hang();
#endif
    initialized = true;
    *provided = required;
    return 0;
}

int MPI_Comm_rank(MPI_Comm, int* rank) {
    *rank = 0;
    return 0;
}

int MPI_Comm_size(MPI_Comm, int* size) {
    *size = 1;
    return 0;
}

int MPI_Barrier(MPI_Comm) {
    return 0;
}

int MPI_Abort(MPI_Comm, int errorCode) {
    std::_Exit(errorCode);
}

int MPI_Finalize() {
    return 0;
}

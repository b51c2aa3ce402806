/// The few entries of OpenMPI 4 that the stand-in calls, as its binary interface has them: so it is compiled without
/// OpenMPI, and runs with OpenMPI's library or with mpi.cpp.
#pragma once

struct ompi_communicator_t;

extern "C" {

using MPI_Comm = ompi_communicator_t*;

/// MPI_COMM_WORLD is the address of this object.
extern char ompi_mpi_comm_world[];

int MPI_Initialized(int* flag);
int MPI_Init_thread(int* argc, char*** argv, int required, int* provided);
int MPI_Comm_rank(MPI_Comm comm, int* rank);
int MPI_Comm_size(MPI_Comm comm, int* size);
int MPI_Barrier(MPI_Comm comm);
int MPI_Abort(MPI_Comm comm, int errorCode);
int MPI_Finalize(void);

} // extern "C"

inline MPI_Comm commWorld() {
    return reinterpret_cast<MPI_Comm>(ompi_mpi_comm_world);
}

constexpr int kMPI_THREAD_MULTIPLE = 3;

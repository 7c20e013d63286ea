CREATE TYPE c AS ENUM (', a''b');
CRCREATE TYPE ggnerate_seriEATDisk quota exceededE esMTAPB
